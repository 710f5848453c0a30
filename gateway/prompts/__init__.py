"""What models are asked: versioned prompts, and how one is filled in and made to fit."""
