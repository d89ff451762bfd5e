"""A shop for the demo `web_server.py`: what things cost, and a page that says so."""
