"""Chat models: names, requests, retries, and how stored text is shown to them."""
