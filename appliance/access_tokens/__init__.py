"""The short-lived access tokens that open the gateway: their keys, their claims, their minting."""
