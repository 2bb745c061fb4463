"""Email notifications: composing, layout, MIME and SMTP."""
