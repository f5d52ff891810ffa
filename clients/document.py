"""Print the OpenAPI document of the service, from which clients are generated."""

import json

from pydantic import SecretStr

from memgpt import Settings
from memgpt.server.api import create_app
from memgpt.server.service import Service

if __name__ == "__main__":
    nowhere = Settings(database_url=SecretStr("postgresql://nobody@127.0.0.1/nothing"))  # nothing is asked of it
    print(json.dumps(create_app(Service(nowhere)).openapi()))
