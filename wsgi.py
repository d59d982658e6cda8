"""For WSGI servers: `granian --interface wsgi wsgi:app`, `gunicorn wsgi:app`."""

from flask_usher import create_app

app = create_app()
