"""The pages' shared shell: layout, style sheet, sign-in, security headers, offline API docs.

Holds no business meaning and loads nothing from other hosts; each service owns its own templates.
"""

from dunning_common.web.docs import serve_docs
from dunning_common.web.links import Links
from dunning_common.web.pages import Pages, SignInNeededError, Viewer, same_origin

__all__ = ["Links", "Pages", "SignInNeededError", "Viewer", "same_origin", "serve_docs"]
