"""Parts that every HTTP endpoint uses: authentication, origins, request bodies, problem responses."""
