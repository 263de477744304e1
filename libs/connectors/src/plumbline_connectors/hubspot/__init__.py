"""HubSpot: signatures, notifications, translation, client."""
