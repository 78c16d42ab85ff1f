"""What can go wrong here. Each message is one sentence that a person can act on."""


class EditError(Exception):
    """An edit was asked for that cannot be made as it stands."""


class NotAPicture(EditError):
    """What the model returned is no picture."""


class ModelMissing(Exception):
    """A model cannot be found, fetched or used for editing."""
