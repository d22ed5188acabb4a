"""Default deny: a view says, per method, which act it stands for."""

from typing import Any

from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from portal.services.access import require


class DeclaredPermission(BasePermission):
    """Lets through who may do what `view.may[method]` names; nobody else.

    A method that a view does not offer is 405 for whoever is let in; one that it offers
    without a declaration is refused to everybody. Which rollout it is about is checked
    again by the act itself.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.user is None:
            raise NotAuthenticated
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        act = getattr(view, "may", {}).get(method)
        if act is None:
            if not hasattr(view, method.lower()):
                raise MethodNotAllowed(request.method)
            return False
        require(request.user, act)
        return True
