"""The service: keys, the console, REST, OpenAI's protocol, MCP."""
