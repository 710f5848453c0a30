"""`casemate support-bundle`: what helps from afar, without a secret and without anybody's name."""
