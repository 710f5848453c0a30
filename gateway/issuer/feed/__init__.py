"""What the instance tells: followed, kept, and what it took back."""
