"""Run checks as SQL over the sealed evidence's tables and settle each hypothesis by the outcome."""
