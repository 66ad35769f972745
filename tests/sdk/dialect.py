"""What differs between the four generations of the SDK: package, paths and the words for the same things.

Every method works with the synchronous client, and with the asynchronous one, where it gives what is to be awaited.
"""

import importlib

# generation: module, prefix of the client classes, version on the package index
PACKAGES = {
    "G1": ("payi", "Payi", "0.1.0a60"),
    "G2": ("payi", "Payi", "0.1.0a131"),
    "G3": ("payi", "Payi", "0.1.0a183"),
    "G4": ("ascerta", "Ascerta", "0.1.0a3"),
}


class Dialect:
    def __init__(self, name):
        module, prefix, self.version = PACKAGES[name]
        self.name = name
        self.package = importlib.import_module(module)
        self.Client = getattr(self.package, prefix)
        self.AsyncClient = getattr(self.package, f"Async{prefix}")
        # The client reads <VARIABLES>_BASE_URL and <VARIABLES>_API_KEY.
        self.variables = module.upper()
        # From G3 on an instance is addressed under its use case.
        self.names_type = name in ("G3", "G4")
        # The first generation knows numbers only, and has no way to say "none" but to delete.
        self.has_booleans_and_none = name != "G1"

    # Definitions

    def define_kpi(self, client, use_case, name, kpi_type, goal, description="", **more):
        naming = {"kpi_name": name} if self.name == "G4" else {"name": name}
        return client.use_cases.definitions.kpis.create(
            use_case, description=description, goal=goal, kpi_type=kpi_type, **naming, **more
        )

    def kpi_key(self, kpi):
        """What a KPI is called in a path: its id in G4, its name before."""
        return kpi.kpi_id if self.name == "G4" else kpi.name

    def kpi_filter(self, kpi):
        """The same, as a list's filter."""
        return {"kpi_id": kpi.kpi_id} if self.name == "G4" else {"kpi_name": kpi.name}

    # Instances

    def where(self, use_case, instance):
        if self.names_type:
            return {"use_case_name": use_case, "use_case_id": instance}
        return {"use_case_id": instance}

    def type_of(self, use_case):
        return {"use_case_name": use_case} if self.names_type else {}

    def instance(self, client, use_case, instance):
        return client.use_cases.retrieve(instance, **self.type_of(use_case))

    def delete_instance(self, client, use_case, instance):
        return client.use_cases.delete(instance, **self.type_of(use_case))

    def set_properties(self, client, use_case, instance, properties):
        if self.name == "G1":
            return client.use_cases.properties.create(instance, properties=properties)
        return client.use_cases.properties.update(instance, properties=properties, **self.type_of(use_case))

    # Scores

    def score(self, client, use_case, instance, kpi, score, **more):
        if not self.has_booleans_and_none and isinstance(score, bool):
            score = float(score)
        return client.use_cases.kpis.update(kpi, score=score, **self.where(use_case, instance), **more)

    def clear(self, client, use_case, instance, kpi):
        """Takes a score back in the way that this generation has for it."""
        if self.name == "G1":
            return client.use_cases.kpis.delete(kpi, use_case_id=instance)
        return client.use_cases.kpis.update(kpi, score=None, **self.where(use_case, instance))

    def scores(self, client, use_case, instance, **options):
        return client.use_cases.kpis.list(instance, **self.type_of(use_case), **options)
