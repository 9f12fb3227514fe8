"""Write the statements of a postmortem from diagnosed evidence; each statement carries its citations."""
