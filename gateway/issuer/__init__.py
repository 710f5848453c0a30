"""What the gateway knows of the instances it trusts: key sets, tokens, feed, snapshot."""
