"""Swap a method for one that calls `super()`; objects and callbacks that exist see the change."""

from typing import Any

from hotpatch import hotpatch


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance

    def withdraw(self, amount: int) -> int:
        self.balance -= amount
        return self.balance


class Savings(Account):
    def withdraw(self, amount: int) -> int:
        return super().withdraw(amount)


class WithFee(Account):
    def withdraw(self, amount: int) -> int:
        return super().withdraw(amount + 1)  # in Savings, this calls what is above Savings


savings = Savings(100)
withdraw = savings.withdraw  # a bound method, as a callback would hold it
print("before:", withdraw(10))
replacement: Any = WithFee.withdraw  # its `self` has another type
with hotpatch(replacement, Savings.withdraw) as patch:
    print("patched:", withdraw(10))
    print("original:", patch.original(savings, 10))
print("undone:", withdraw(10))
