"""All competitions behind one interface, for what works with any of them: reports, notebooks, the viewer."""
