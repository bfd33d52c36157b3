"""What pyproject.toml cannot say: a wheel holds conf/ and experiments/, which lie at the root here, inside ``src``."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["src*", "hydra_plugins*"]), "src.conf", "src.experiments"],
    package_dir={"src.conf": "conf", "src.experiments": "experiments"},
    package_data={
        "src.conf": ["**/*.yaml"],
        "src.experiments": ["*.yaml"],  # the plans; results of studies stay in the repository
        "src.recurrent.kernels": ["*.cpp", "*.h"],
        "src.reporting.page": ["*.html", "*.css", "*.js"],
        "src.analysis": ["*.yaml"],
    },
)
