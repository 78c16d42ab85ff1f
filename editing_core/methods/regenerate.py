"""Draw the target prompt from fresh noise: the control that must lose what no caption says."""

from editing_core.methods.context import EditContext, EditOutput, sample


def edit(context: EditContext) -> EditOutput:
    """Ignore both pictures."""
    return EditOutput(sample(context, context.noise))
