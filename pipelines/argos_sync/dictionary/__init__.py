"""What describes the tables to people and to other tools, made from the contract: `make schema`.

Nothing here is used when argos-sync runs. All of it is kept in the repository, and a test fails
when it is not what would be made.
"""
