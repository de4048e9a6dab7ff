"""A network on one machine: learners in namespaces of their own, links of a rate and a delay between them."""
