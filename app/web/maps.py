"""Makes the pages with maps: of all mirrors, which is the same for all clients, and of one client's list."""

from __future__ import annotations

from urllib.parse import urlencode

from app.explain.explanation import explain
from app.explain.inquiry import Inquiry
from app.render.map_page import client_map_page, map_page
from app.render.world import CONTINENTS
from app.request.clients import Client
from app.request.parameters import BadValueError
from app.serving.current import Current
from app.serving.generation import Serving
from app.web.answers import Answer
from app.web.documents import SharedDocument, Wanted, own_page
from app.web.explanations import MirrorAnswers, facts_of, live_of
from app.web.pages import frame_of
