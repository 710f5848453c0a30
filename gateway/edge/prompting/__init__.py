"""How a prompt becomes an answer: who may ask, what the model is asked, how it is told."""
