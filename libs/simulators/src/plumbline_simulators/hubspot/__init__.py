"""HubSpot as a server: companies, contacts, properties, search, owners, limits, webhooks."""
