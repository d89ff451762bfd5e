class Closed(type):
    def __setattr__(cls, name, value):
        raise AttributeError(f"{name} stays as it is")


NUMBER = 2


class Settings(metaclass=Closed):
    LIMIT = 2
