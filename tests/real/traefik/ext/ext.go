// Package ext has the two empty types of Traefik's module of this name, which is not published: it lives in Traefik's repository.
package ext

// HTTP extends the configuration of HTTP, by nothing.
type HTTP struct{}

// Router extends the configuration of a router, by nothing.
type Router struct{}
