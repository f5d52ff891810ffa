"""The pages, a module for each section: it reads the address and the form, calls the facade, and renders."""
