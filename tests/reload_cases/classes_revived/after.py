import dataclasses
import enum

REGISTRY = []


class Base:
    def __init_subclass__(cls):
        REGISTRY.append(cls)
