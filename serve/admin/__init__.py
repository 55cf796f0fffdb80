"""The admin: server-rendered pages whose forms work without JavaScript; htmx upgrades them."""

from typing import Any

from serve.admin import config, models, runs, session

#: methods, address, handler
ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/admin", models.page),
    ("GET", "/admin/login", session.login_page),
    ("POST", "/admin/login", session.login),
    ("POST", "/admin/logout", session.logout),
    ("POST", "/admin/models/enable", models.enable),
    ("POST", "/admin/start/<what:str>", models.start),
    ("GET", "/admin/runs/<run_id:str>", runs.page),
    ("GET", "/admin/runs/<run_id:str>/events", runs.events),
    ("GET", "/admin/config", config.page),
    ("GET", "/admin/tasks/new", config.new_task),
    ("GET", "/admin/tasks/<task_id:str>", config.edit_task),
    ("POST", "/admin/tasks/save", config.save_task),
    ("POST", "/admin/tasks/enable", config.enable_task),
    ("POST", "/admin/tasks/reset", config.reset_task),
    ("POST", "/admin/tasks/delete", config.delete_task),
    ("GET", "/admin/prompts/<key:str>", config.edit_prompt),
    ("POST", "/admin/prompts/<key:str>", config.save_prompt),
    ("POST", "/admin/prompts/<key:str>/restore", config.restore_prompt),
)
