// Swagger UI over the interface of this server; the page's cookie lets "Try it out" in.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#interface" });
