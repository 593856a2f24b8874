-- Answers to the project's own questions (additional_answers), one row each.
--
-- submission_id  Submission with the answer
-- created_at     When the submission was created
-- answer_index   Position in the API's list, starting at 0
-- question       Name of the additional form field, which the API calls answer
-- answer         Value the user gave for the field, which the API calls inputValue
-- block_type     Data type of the field
SELECT
    a.submission_id,
    s.created_at,
    a.answer_index,
    a.answer AS question,
    a.input_value AS answer,
    a.block_type
FROM additional_answers AS a
JOIN submissions AS s ON s.submission_id = a.submission_id
WHERE s._deleted_at IS NULL
