"""One synthetic submission as it is at a moment of its life."""

from argos_sync.emulator import sections
from argos_sync.emulator.applicants import People, fit_to_reason
from argos_sync.emulator.dice import Dice
from argos_sync.emulator.lifecycle import NEVER, Life, draw_alert, draw_decision, draw_life
from argos_sync.emulator.sections import Object
from argos_sync.emulator.timestamps import vendor_time
from argos_sync.emulator.word_lists import MEMOS, REASONS

_IMAGES = "https://images.example.com"
_BEFORE_ID = ("ip_address", "cf1", "cf2", "cf3")
"""Fields of `data` that do not come from an ID."""


def build_submission(
    dice: Dice, people: People, submission_id: str, created: int, as_of: int
) -> Object:
    """Return a submission as it is at the moment `as_of`.

    No draw depends on that moment, so the same submissions can be seen at several moments.
    """
    applicant, duplicate = people.draw(created)
    life = draw_life(dice, duplicate=duplicate)
    people.remember(applicant, approved=life.result == "approved")
    for reason in life.reasons:
        applicant = fit_to_reason(dice, applicant, reason, created)
    data = applicant.data
    fields: Object = {
        "submission_id": submission_id,
        "created_at": vendor_time(created),
        "updated_at": vendor_time(created),
        "userid": applicant.userid,
        "email": applicant.email,
        "data": data,
        "kyc": {"result": "incomplete", "attempts": []},
        "aml": {"risk_level_summary": "Not Screened", "currentstatus": "Not Screened"},
    }
    if not life.has_id:
        fields["data"] = {name: data[name] for name in _BEFORE_ID if name in data}
        return fields
    fields["duplicated_information"] = applicant.fingerprint
    fields["image"] = {"idImage": f"{_IMAGES}/{submission_id}/id.jpg"}
    if not life.attempts:
        fields["kyc"]["attempts"].append(sections.attempt_without_selfie(created))
        return fields
    _add_decision(dice, fields, life, created, as_of)
    if fields["kyc"]["result"] == "approved":
        fields["applicant_id"] = applicant.applicant_id
    return fields


def _add_decision(dice: Dice, fields: Object, life: Life, created: int, as_of: int) -> None:
    """Add the events after the image of the ID, up to the moment `as_of`."""
    kyc, images = fields["kyc"], fields["image"]
    folder = images["idImage"].removesuffix("/id.jpg")
    country = fields["data"]["nationality"]
    attempts, last = sections.attempts(
        dice, life.attempts, country, created, passed=life.passed, images=folder
    )
    pending, decided = draw_decision(dice, life, created, last)
    updated = created
    if last <= as_of:
        kyc["attempts"] = attempts
        images["selfieImage"] = f"{folder}/selfie.jpg"
        updated = last
    if pending <= as_of:
        kyc["result"] = "pending"
        fields["pending_at"] = vendor_time(pending)
        updated = pending
    if decided <= as_of:
        kyc["result"] = life.result
        fields["kyc_result_at"] = vendor_time(decided)
        fields["reviewer"] = life.reviewer
        updated = decided
        if life.reasons:
            kyc["comment"] = [REASONS[reason] for reason in life.reasons]
            kyc["commentCode"] = list(life.reasons)
    if life.is_reviewed:
        _add_review(dice, fields, life, decided, as_of)
    if life.result == "approved":
        updated = max(updated, _add_screening(dice, fields, decided, as_of))
    _add_extras(dice, fields, folder, last, as_of)
    fields["updated_at"] = vendor_time(updated)


def _add_review(dice: Dice, fields: Object, life: Life, decided: int, as_of: int) -> None:
    """Add the review and the memo of a human reviewer."""
    name, memo = f"agent-{1 + dice.below(6)}", dice.pick(MEMOS)
    if decided <= as_of:
        moment = vendor_time(decided)
        fields["review"] = {"reviewer": name, "result": life.result, "reviewed_at": moment}
        if memo:
            fields["memo"] = {"text": memo, "updated_at": moment}


def _add_screening(dice: Dice, fields: Object, decided: int, as_of: int) -> int:
    """Add the result of AML screening; return the moment of its last change."""
    raised, cleared = draw_alert(dice, decided)
    is_screened = dice.chance(0.9)
    if raised < NEVER:
        flag = sections.red_flag(dice)
        if raised <= as_of < cleared:
            fields["aml"] = flag
            return raised
        if cleared <= as_of:
            fields["aml"]["raw_data"] = {"total": len(flag["matches"]), "decision": "cleared"}
            text = "AML alert cleared: another person of that name"
            fields["memo"] = {"text": text, "updated_at": vendor_time(cleared)}
            return cleared
    if is_screened and decided <= as_of:
        fields["aml"]["raw_data"] = {"total": 0}
    return 0


def _add_extras(dice: Dice, fields: Object, folder: str, last: int, as_of: int) -> None:
    """Add the fields that only some projects, countries or documents have."""
    data, images = fields["data"], fields["image"]
    if data["nationality"] == "KOR" and dice.chance(0.7):
        fields["bank_verification"] = sections.bank_verification(dice)
    if data["idType"] != "passport":
        images["idBackImage"] = f"{folder}/id-back.jpg"
    if dice.chance(0.2):
        fields["additional_list"] = sections.additional_answers(dice)
    if dice.chance(0.3):
        attacks = ("Screen_play", "Paper_printed", "Replace_portraits")
        fields["id_LivenessScore"] = {attack: dice.score(0.8, 1, 4) for attack in attacks}
        fields["recognition_score"] = f"{dice.score(0.7, 1)}"
        fields["argos_score"] = f"{60 + dice.below(40)}"
    if dice.chance(0.1):
        fields["tokenId"] = dice.key(16)
        fields["custom_duplicated_information"] = dice.key(20)
        fields["project_options"] = {"aml": True, "languages": ["ko", "en"], "retry": dice.below(4)}
    if dice.chance(0.2):
        fields["ocr"] = sections.ocr(data)
    if dice.chance(0.08):
        fields["OCR_raw"] = sections.raw_ocr(dice, data)
        images["addressImage"] = f"{folder}/address.jpg"
    if dice.chance(0.06) and "date_of_birth" in data:
        years = int(fields["created_at"][:4]) - int(data["date_of_birth"][:4])
        fields["verification"] = sections.verification(dice, years)
    if dice.chance(0.01) and last <= as_of:
        fields["Injection_action"] = {"type": "virtual_camera", "time": vendor_time(last)}
