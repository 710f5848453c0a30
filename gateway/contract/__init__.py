"""What both sides agree on; the one part of the gateway that the instance may import."""
