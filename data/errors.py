"""Everything that can go wrong for a user's reason, as one small tree.

    CropcheckError
    ├── WorkspaceError        the workspace folder is missing, not writable or not ours
    │   └── StoreTooNew       cropcheck.db was written by a newer Cropcheck
    ├── UnknownCollection     no collection of that name
    ├── UnknownSample         no sample of that name or number in the collection
    ├── UnknownCrop           a code that is not in the collection's legend
    ├── UnknownIndex          no vegetation index of that name
    ├── UnknownModel          no model of that name
    ├── UnknownRun            no run of that name
    ├── UnknownStudy          no study of that name
    ├── UnknownJob            no job of that name
    ├── CannotStart           a job that is at work already, or whose collection another job is making
    ├── NotAllowed            a role that does not allow it
    ├── BadDecision           an action, reason or image that does not fit its sample
    ├── BadInput              a file or value given for import that cannot be used
    ├── PixelsUnreadable      a shard is missing, cut short or of another shape than the catalogue says
    ├── CannotMap             a map whose making was stopped from outside, or whose folder is in use
    └── CannotTrain           the chosen collection, labels and split leave nothing to learn from

Pages and commands catch `CropcheckError` and show its text; anything else is a bug and keeps its traceback.
A message is the fact, the value and the way out.
"""


class CropcheckError(Exception):
    """Something a user can mend; its text says how."""


class WorkspaceError(CropcheckError):
    """The workspace folder is missing, not writable or not ours."""


class StoreTooNew(WorkspaceError):
    """The database holds migrations that this version does not know."""


class UnknownCollection(CropcheckError):
    """No collection of that name."""


class UnknownSample(CropcheckError):
    """No sample of that name or number in the collection."""


class UnknownCrop(CropcheckError):
    """A crop code that is not in the collection's legend."""


class UnknownIndex(CropcheckError):
    """No vegetation index of that name."""


class UnknownModel(CropcheckError):
    """No model of that name."""


class UnknownRun(CropcheckError):
    """No run of that name in this workspace."""


class UnknownStudy(CropcheckError):
    """No study of that name in this workspace."""


class UnknownJob(CropcheckError):
    """No job of that name in this workspace."""


class CannotStart(CropcheckError):
    """A job that is at work already, or whose collection another job is making."""


class NotAllowed(CropcheckError):
    """A role that does not allow it."""


class BadDecision(CropcheckError):
    """An action, reason or image that does not fit its sample."""


class BadInput(CropcheckError):
    """A file or value given for import that cannot be used."""


class PixelsUnreadable(CropcheckError):
    """A shard is missing, cut short or of another shape than the catalogue says."""


class CannotTrain(CropcheckError):
    """The chosen collection, labels and split leave nothing to learn from."""


class CannotMap(CropcheckError):
    """A map whose making was stopped from outside, or whose folder is in use."""
