"""The service: keys, REST, OpenAI's protocol, MCP."""
