"""SQLAlchemy: statements and mapped classes on SQLite in memory, loading, events, transactions."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Rank(enum.Enum):
    LOW = 1
    HIGH = 2


class Stripped(sa.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value and value.strip()


links = sa.Table(
    "links",
    Base.metadata,
    sa.Column("post", sa.ForeignKey("post.id"), primary_key=True),
    sa.Column("tag", sa.ForeignKey("tag.id"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)

    def __init__(self, name: str) -> None:
        self.name = name


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Stripped(30))
    rank: Mapped[Rank] = mapped_column(default=Rank.LOW)
    born: Mapped[datetime.date | None]
    kind: Mapped[str] = mapped_column(default="user")
    extra: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(sa.JSON), default=dict)
    version: Mapped[int] = mapped_column()
    posts: Mapped[list[Post]] = relationship(
        back_populates="author", cascade="all, delete-orphan", order_by="Post.id"
    )
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "user",
        "version_id_col": version,
    }

    @hybrid_property
    def loud(self) -> str:
        return self.name + "!"

    @orm.validates("name")
    def check_name(self, key: str, value: str) -> str:
        if not value:
            raise ValueError(f"no {key}")
        return value


class Admin(User):
    __tablename__ = "admin"
    id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), primary_key=True)
    power: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(6, 2, asdecimal=True))
    __mapper_args__ = {"polymorphic_identity": "admin"}  # noqa: RUF012


class Post(Base):
    __tablename__ = "post"
    __table_args__ = (sa.CheckConstraint("length(title) > 0", name="titled"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(index=True)
    text: Mapped[str] = orm.deferred(mapped_column(sa.Text, default="text"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))
    author: Mapped[User] = relationship(back_populates="posts")
    tags: Mapped[set[Tag]] = relationship(secondary=links, backref="posts")
    tag_names: AssociationProxy[set[str]] = association_proxy("tags", "name")


def statements(engine: sa.Engine) -> list[str]:
    """Note what is executed from here on."""
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if isinstance(parameters, list):
            parameters = sorted(parameters)  # of a set
        found.append(f"{' '.join(statement.split())} {parameters}")

    event.listen(engine, "before_cursor_execute", note)
    return found


@contextlib.contextmanager
def database() -> Iterator[tuple[sa.Engine, list[str]]]:
    engine = sa.create_engine("sqlite://")
    event.listen(engine, "connect", lambda it, record: it.execute("pragma foreign_keys = on"))
    found = statements(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        ann = User(name=" ann ", born=datetime.date(2000, 1, 2), rank=Rank.HIGH)
        root = Admin(name="root", power=decimal.Decimal("1.50"), extra={"a": [1]})
        tags = [Tag(name) for name in ("x", "y")]
        for number in range(4):
            post = Post(title=f"post {number}", author=[ann, root][number % 2])
            post.tags.update(tags[: number % 3])
        session.add_all([ann, root, *tags])
    yield engine, found
    engine.dispose()


def attempt(call: Callable[[], object]) -> str:
    try:
        return repr(call())
    except (sa.exc.SQLAlchemyError, ValueError, AttributeError) as error:
        return re.sub(r"0x[0-9a-f]+", "0x", f"{type(error).__name__}: {error}")


def show_core() -> str:
    user, post = User.__table__.c, Post.__table__.c
    part = sa.select(post.user_id, sa.func.count().label("n")).group_by(post.user_id).cte("part")
    other = sa.alias(User.__table__, "other")
    number = sa.func.row_number().over(partition_by=post.user_id, order_by=post.id.desc())
    walk = sa.select(sa.literal(1).label("n")).cte("walk", recursive=True)
    walk = walk.union_all(sa.select(walk.c.n + 1).where(walk.c.n < 5))
    asked: list[Any] = [
        sa.select(user.name, part.c.n).join(part, part.c.user_id == user.id, isouter=True),
        sa.select(post.title, number).where(post.title.like("%1") | post.id.in_([1, 3, 4])),
        sa.select(sa.case((user.rank == Rank.HIGH, "h"), else_="l")).order_by(user.name.desc()),
        sa.select(walk.c.n).limit(3).offset(1),
        sa.select(user.name).where(sa.exists().where(post.user_id == user.id)).distinct(),
        sa.union(sa.select(user.name), sa.select(post.title)).order_by("name").limit(3),
        sa.select(sa.cast(post.id, sa.String) + "x", sa.extract("year", user.born)).join_from(
            Post.__table__, User.__table__
        ),
        sa.select(sa.func.max(post.id), sa.tuple_(post.id, post.title).in_([(1, "post 0")])),
        sa.select(user.extra["a"][0].as_integer(), sa.null(), sa.text("1 AS one")),
        sa.select(other.c.id).where(other.c.id == sa.bindparam("id", 2), ~(other.c.id < 1)),
        sa.values(sa.column("a", sa.Integer), name="v").data([(1,), (2,)]),
        sa.text("select name from user where id = :id").bindparams(id=1).columns(sa.column("name")),
    ]
    lines = []
    with database() as (engine, found), engine.connect() as connection:
        del found[:]
        for statement in asked:
            if isinstance(statement, sa.Values):
                statement = sa.select(statement)
            lines.append(attempt(lambda: connection.execute(statement).all()))  # noqa: B023
            for dialect in (postgresql, mysql, mssql, oracle):
                lines.append(attempt(lambda: str(statement.compile(dialect=dialect.dialect()))))  # noqa: B023
        result = connection.execute(sa.select(post.id, post.title))
        lines += [repr(result.keys()), repr(result.mappings().fetchmany(2)), repr(result.first())]
        lines.append(repr(connection.scalars(sa.select(post.id)).partitions(3).__next__()))
        lines += found
    return "\n".join(lines)


def show_changes() -> str:
    post = Post.__table__
    lines = []
    with database() as (engine, found), engine.begin() as connection:
        del found[:]
        rows = [{"title": f"new {n}", "user_id": 1} for n in range(3)]
        lines.append(repr(connection.execute(sa.insert(post), rows).rowcount))
        made = connection.execute(sa.insert(post).returning(post.c.id, post.c.title), rows)
        lines.append(repr(made.all()))
        update = sa.update(post).where(post.c.id > 5).values(title=post.c.title + "'")
        lines.append(repr(connection.execute(update).rowcount))
        chosen = sa.select(post.c.id).where(post.c.title.startswith("new"))
        lines.append(
            repr(connection.execute(sa.delete(post).where(post.c.id.in_(chosen))).rowcount)
        )
        with connection.begin_nested() as point:
            connection.execute(sa.delete(links))
            point.rollback()
        lines.append(repr(connection.scalar(sa.select(sa.func.count()).select_from(links))))
        lines += found
    return "\n".join(lines)


def show_loading() -> str:
    lines = []
    ways = [orm.lazyload, orm.joinedload, orm.selectinload, orm.subqueryload, orm.raiseload]
    with database() as (engine, found):
        for way in [*ways, orm.immediateload]:
            del found[:]
            with Session(engine) as session:
                query = sa.select(User).options(way(User.posts)).order_by(User.id)
                users = session.scalars(query).unique().all()
                lines.append(attempt(lambda: [(u.name, [p.title for p in u.posts]) for u in users]))  # noqa: B023
                power = [u.power for u in users if isinstance(u, Admin)]
                lines += [repr(power), *found]
        with Session(engine) as session:
            del found[:]
            both = orm.with_polymorphic(User, [Admin])
            lines.append(repr(session.scalars(sa.select(both.name).order_by(both.id)).all()))
            aliased = orm.aliased(Post)
            query = sa.select(User.loud, sa.func.count(aliased.id)).join(aliased, User.posts)
            lines.append(repr(session.execute(query.group_by(User.id)).all()))
            posts = session.query(Post).filter(Post.tags.any(name="x")).order_by(Post.id)
            lines += [repr([sorted(it.tag_names) for it in posts]), repr(posts.count())]
            first = session.get_one(Post, 1, options=[orm.undefer(Post.text)])
            lines += [first.text, attempt(lambda: session.get_one(Post, 99)), *found]
            options = orm.load_only(Post.title), orm.contains_eager(Post.author)
            joined = session.query(Post).join(Post.author).options(*options)
            lines += [str(joined), repr([it.author.name for it in joined])]
    return "\n".join(lines)


def show_unit_of_work() -> str:
    lines: list[str] = []
    with database() as (engine, found), Session(engine, autoflush=False) as session:
        del found[:]
        for name in ("before_flush", "after_flush", "after_commit", "after_rollback"):
            event.listen(session, name, lambda *_, name=name: lines.append(name))
        user = session.scalars(sa.select(User).where(User.name == "ann")).one()
        event.listen(User.name, "set", lambda it, new, old, by: lines.append(f"{old} to {new}"))
        user.name, user.extra["k"] = "eve", 1
        lines.append(f"{sorted(sa.inspect(user).attrs.name.history.added)} {len(session.dirty)}")
        user.posts.pop()
        session.flush()
        with session.begin_nested():
            session.add(Post(title="inner", author=user))
        session.commit()
        lines.append(f"{user.version} {user.extra} {len(user.posts)}")
        session.add(Post(title="", author=user))
        lines.append(attempt(session.commit))
        session.rollback()
        state = pickle.loads(pickle.dumps(user))
        session.expunge(user)
        merged = session.merge(state)
        lines.append(f"{merged is user} {merged.name} {sa.inspect(merged).persistent}")
        session.delete(merged)
        session.commit()
        lines.append(repr(session.scalars(sa.select(User.name)).all()))
        bulk = sa.update(User).values(rank=Rank.HIGH).execution_options(synchronize_session="fetch")
        session.execute(bulk)
        session.execute(sa.insert(Tag), [{"name": "p"}, {"name": "q"}])
        lines.append(repr(session.scalars(sa.select(Tag.name).order_by(Tag.name)).all()))
        lines += sorted(found)  # a flush goes through sets
    return "\n".join(lines)


def show_errors() -> str:
    with database() as (engine, _), Session(engine) as session:
        detached = User(name="d")
        calls: list[Callable[[], object]] = [
            lambda: session.execute(sa.text("select nothing")),
            lambda: session.execute(sa.insert(Tag), {"name": "x"}),
            lambda: session.scalars(sa.select(User)).one(),
            lambda: User(name=""),
            lambda: session.execute("text"),
            lambda: sa.select(User).join(Tag).compile(),
            lambda: session.refresh(detached),
            lambda: sa.create_engine("nothing://"),
            lambda: sa.select(User).where(User.nothing),
            lambda: session.execute(sa.text("select :a"), {"b": 1}),
            lambda: sa.Table("user", Base.metadata, sa.Column("id")),
            lambda: sa.engine.make_url("a:b"),
        ]
        lines = []
        for call in calls:
            lines.append(attempt(call))
            session.rollback()
    return "\n".join(lines)


def show_inspection() -> str:
    lines = []
    with database() as (engine, _):
        inspector = sa.inspect(engine)
        for name in inspector.get_table_names():
            lines.append(
                repr([(it["name"], str(it["type"])) for it in inspector.get_columns(name)])
            )
            lines.append(repr(inspector.get_foreign_keys(name)))
            lines += [repr(inspector.get_indexes(name)), repr(inspector.get_pk_constraint(name))]
        reflected = sa.MetaData()
        reflected.reflect(engine)
        for table in reflected.sorted_tables:
            lines.append(str(sa.schema.CreateTable(table)))
        lines.append(repr(orm.class_mapper(Admin).polymorphic_identity))
        lines.append(repr(sorted(sa.inspect(User).relationships.keys())))
    url = sa.engine.make_url("postgresql+psycopg://u:p%40@h:5/d?x=1")
    return "\n".join([*lines, repr(url), url.render_as_string(False), str(url.query)])


def show_pool() -> str:
    lines: list[str] = []
    pool = sa.pool.QueuePool(lambda: Connection(), pool_size=1, max_overflow=0, timeout=0.01)
    for name in ("checkout", "checkin", "connect", "reset"):
        event.listen(pool, name, lambda *_, name=name: lines.append(name))
    one = pool.connect()
    lines += [attempt(pool.connect), pool.status()]
    one.close()
    pool.dispose()
    return "\n".join(lines)


class Connection:
    def rollback(self) -> None:
        pass

    close = rollback
