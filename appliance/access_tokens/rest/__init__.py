"""Access tokens and the keys behind them over REST."""

from appliance.access_tokens.rest import keys, minting, publishing

handlers = (*minting.handlers, *publishing.handlers, *keys.handlers)
