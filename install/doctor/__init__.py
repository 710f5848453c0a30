"""`casemate doctor`: follows the way a question takes, and names what is wrong and what helps."""
