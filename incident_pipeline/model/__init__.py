"""The words of the domain as frozen types. Nothing here imports anything else of ours."""
