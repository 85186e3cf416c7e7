"""The studio: a page in the browser, and an HTTP interface, for every task.

Importing this needs no web server, so that its absence is one line that says what to install.
"""

from dreamsampler.interfaces.studio.server import Studio, serve

__all__ = ["Studio", "serve"]
