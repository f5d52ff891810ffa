"""Routes for the operator of a running service: keys, the audit log, and the database's health."""

from fastapi import APIRouter

from memgpt.server.api.routes.admin import health, keys

router = APIRouter(prefix="/v1/admin", tags=["admin"])
router.include_router(keys.router)
router.include_router(health.router)
