"""What pyproject.toml cannot say: pages/ stands at the top of the tree and is installed as app/installed_pages."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["app*", "memfactory_core*"]), "app.installed_pages"],
    package_dir={"app.installed_pages": "pages"},
)
