"""Fields that several forms have."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from rollout.models import Rollout, RolloutKind


class RolloutField(forms.ModelChoiceField):
    """A rollout, by its key: a live one, unless twins of drills will do as well."""

    def __init__(self, *, with_twins: bool = False, **more: Any) -> None:
        live = {} if with_twins else {"kind": RolloutKind.LIVE}
        super().__init__(
            Rollout.objects.filter(**live),
            to_field_name="key",
            empty_label=None,
            widget=UnfoldAdminSelectWidget(),
            **more,
        )
