"""What differs between the four generations of the SDK: package, paths and the words for the same things."""

import importlib


class Dialect:
    def __init__(self, name):
        self.name = name
        self.package = importlib.import_module("ascerta" if name == "G4" else "payi")
        prefix = "Ascerta" if name == "G4" else "Payi"
        self.Client = getattr(self.package, prefix)
        self.AsyncClient = getattr(self.package, f"Async{prefix}")
        # From G3 on an instance is addressed under its use case.
        self.names_type = name in ("G3", "G4")

    def client(self, url, key, **options):
        return self.Client(base_url=url, **{self.key_argument: key}, **options)

    def async_client(self, url, key, **options):
        return self.AsyncClient(base_url=url, **{self.key_argument: key}, **options)

    @property
    def key_argument(self):
        import inspect

        parameters = inspect.signature(self.Client.__init__).parameters
        return next(name for name in parameters if name.endswith("api_key"))

    def define_kpi(self, client, use_case, name, kpi_type, goal, description=""):
        naming = {"kpi_name": name} if self.name == "G4" else {"name": name}
        return client.use_cases.definitions.kpis.create(
            use_case, description=description, goal=goal, kpi_type=kpi_type, **naming
        )

    def kpi_key(self, kpi):
        """What a KPI is called in a path: its id in G4, its name before."""
        return kpi.kpi_id if self.name == "G4" else kpi.name

    def where(self, use_case, instance):
        if self.names_type:
            return {"use_case_name": use_case, "use_case_id": instance}
        return {"use_case_id": instance}

    def score(self, client, use_case, instance, kpi, score):
        return client.use_cases.kpis.update(kpi, score=score, **self.where(use_case, instance))

    def scores(self, client, use_case, instance, **options):
        if self.names_type:
            return client.use_cases.kpis.list(instance, use_case_name=use_case, **options)
        return client.use_cases.kpis.list(instance, **options)

    def set_properties(self, client, use_case, instance, properties):
        resource = client.use_cases.properties
        if self.name == "G1":
            return resource.create(instance, properties=properties)
        if self.names_type:
            return resource.update(instance, use_case_name=use_case, properties=properties)
        return resource.update(instance, properties=properties)

    def instance(self, client, use_case, instance):
        if self.names_type:
            return client.use_cases.retrieve(instance, use_case_name=use_case)
        return client.use_cases.retrieve(instance)

    def delete_instance(self, client, use_case, instance):
        if self.names_type:
            return client.use_cases.delete(instance, use_case_name=use_case)
        return client.use_cases.delete(instance)
