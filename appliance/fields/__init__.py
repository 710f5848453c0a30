"""What every concept's graphql.py is written with: who asks, global ids, connections."""
