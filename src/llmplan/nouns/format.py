"""Format: how the elements of a matrix lie in memory, to the byte."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from llmplan.errors import JobError, UnsupportedError
from llmplan.nouns._check import Between, Count, Name, Whole
from llmplan.nouns._noun import Noun, noun
from llmplan.sources import Source

_BITS = 8

_Bits = Annotated[int, Between(1, 128)]
# A code book of AQLM's is a mebibyte: 2^23 bits.
_ManyBits = Annotated[int, Between(0, 2**40)]


@noun
class Format(Noun):
    r"""
    How the elements of one matrix are stored, and whether a matrix so stored can be trained.

    .. math::

        M = \lceil n b / 8 \rceil + \lceil B s / 8 \rceil + \lceil \lceil B / B_2 \rceil s_2 / 8 \rceil
            + \lceil (r\, b_r + c\, b_c + \lceil c / k \rceil b_k + b_m) / 8 \rceil

    with :math:`n` elements in :math:`r` rows (outputs) and :math:`c` columns (inputs), and :math:`B` blocks of
    :math:`k` elements. Blocks run over the whole matrix, :math:`B = \lceil n / k \rceil`, or along each row,
    :math:`B = \lceil r / k_r \rceil \lceil c / k \rceil`.

    Attributes:
        name: Its registry id, such as "bf16" or "nf4".

        element_bits: :math:`b`, bits of one element. [bit]

        kind: "float", "integer" or "codebook" (elements are numbers of entries in a table).

        trainable: Whether gradients can update a matrix that is stored so.

        reason: Why not, where it cannot be trained.

        block_elements: :math:`k`, elements that share one scale. None where there are no blocks.

        block_rows: :math:`k_r`, rows that share one scale, where blocks are tiles; 1 otherwise.

        blocks: What blocks divide: "matrix" (all elements, in order) or "row" (each row anew).

        scale_bits: :math:`s`, what is stored for each block beside its elements: scale, zero point. [bit]

        second_block: :math:`B_2`, scales that share one second scale, where scales are quantized themselves.

        second_scale_bits: :math:`s_2`. [bit]

        row_bits: :math:`b_r`, stored for every row. [bit]

        column_bits: :math:`b_c`, stored for every column. [bit]

        column_block_bits: :math:`b_k`, stored for every :math:`k` columns, once for all rows. [bit]

        offset_bits: :math:`b_m`, stored once for every matrix. [bit]

        table_bytes: Tables of constants that the software keeps. They are the same for every matrix and shared, so
            :meth:`bytes` leaves them out. [byte]

        pack_elements, pack_bits: Where elements do not fill words: this many elements, one from each of so many
            neighbouring blocks, take that many bits together, such as 10 of 3 bits in a word of 32. [bit]

        pad_rows, pad_columns: The matrix is padded to multiples of these before it is packed (1: not at all).

        scale_rows, scale_columns: The grid of scales is padded to multiples of these (1: not at all).

        row_multiple, column_multiple, element_multiple: The packer refuses a matrix whose rows, columns or elements
            are no multiple of these.

        fallback: The format that a matrix takes where this one refuses it. None: the packer stops.

        compute_format: The format into which a matrix is unpacked where it is used. None: it is used as it is.

        source: Where the layout comes from.

    Raises:
        SpecError: A field has a value that it cannot have, or two of them contradict each other.

    Example:
        Half a byte an element, a byte for each block of 64, four for 256 of those, and an offset of four:

        >>> from llmplan.sources import Source
        >>> nf4 = Format(name="nf4-double-quantized", element_bits=4, kind="codebook", trainable=False,
        ...     reason="its elements are entries of a table: a small step has nowhere to go",
        ...     block_elements=64, scale_bits=8, second_block=256, second_scale_bits=32, offset_bits=32,
        ...     table_bytes=64 + 1024, compute_format="bf16",
        ...     source=Source(kind="paper", title="QLoRA", url="https://arxiv.org/abs/2305.14314"))
        >>> nf4.bytes(4096 * 4096)
        8654852

    .. versionadded:: 0.1.0
    """

    name: Name
    element_bits: _Bits
    kind: Literal["float", "integer", "codebook"]
    trainable: bool
    reason: str = ""
    block_elements: Count | None = None
    block_rows: Count = 1
    blocks: Literal["matrix", "row"] = "matrix"
    scale_bits: Annotated[int, Between(0, 65536)] = 0
    second_block: Count | None = None
    second_scale_bits: Annotated[int, Between(0, 65536)] = 0
    row_bits: Annotated[int, Between(0, 65536)] = 0
    column_bits: Annotated[int, Between(0, 65536)] = 0
    column_block_bits: Annotated[int, Between(0, 65536)] = 0
    offset_bits: _ManyBits = 0
    table_bytes: Whole = 0
    pack_elements: Count = 1
    pack_bits: Annotated[int, Between(1, 65536)] | None = None
    pad_rows: Count = 1
    pad_columns: Count = 1
    scale_rows: Count = 1
    scale_columns: Count = 1
    row_multiple: Count = 1
    column_multiple: Count = 1
    element_multiple: Count = 1
    fallback: Name | None = None
    compute_format: Name | None = None
    source: Source

    def _contradictions(self) -> Iterable[str]:
        if not self.trainable and not self.reason.strip():
            yield "a format that cannot be trained says why @ Format.reason"
        if self.block_elements is None:
            for field in ("scale_bits", "second_scale_bits", "column_block_bits", "pack_bits"):
                if getattr(self, field):
                    yield f"blocks need their size: give block_elements @ Format.{field}"
        if (self.second_block is None) != (self.second_scale_bits == 0):
            yield "second_block and second_scale_bits belong together @ Format.second_block"
        if (self.pack_bits is None) != (self.pack_elements == 1):
            yield "pack_elements and pack_bits belong together @ Format.pack_bits"
        if self.pack_bits is not None and self.pack_bits < self.pack_elements * self.element_bits:
            yield f"{self.pack_elements} elements of {self.element_bits} bits do not fit into {self.pack_bits} @ Format.pack_bits"
        if self.blocks == "matrix" and (self.block_rows, self.scale_rows, self.scale_columns) != (1, 1, 1):
            yield 'tiles and padded scales need rows: give blocks="row" @ Format.blocks'

    @property
    def needs_shape(self) -> bool:
        """Whether the bytes of a matrix depend on its rows and columns, and not on their product alone."""
        sides = self.row_bits or self.column_bits or self.column_block_bits
        tiles = (self.block_rows, self.pad_rows, self.scale_rows, self.scale_columns) != (1, 1, 1, 1)
        # Rows that the packer admits only in whole blocks have as many blocks as their elements have.
        along = [self.pad_columns] if self.blocks == "matrix" else [self.pad_columns, self.block_elements or 1]
        return bool(sides or tiles or any(self.column_multiple % unit for unit in along))

    def bytes(self, elements: Any) -> Any:  # noqa: ANN401  a number, an array or a Size, and the same comes back
        """
        Stored bytes of one matrix of so many elements, its scales included. [byte]

        Args:
            elements: A number, a numpy array, or any object that knows ``+ * //`` and unary minus.

        Raises:
            UnsupportedError: Rows and columns matter: ask :meth:`matrix_bytes`.
        """
        if self.needs_shape:
            raise UnsupportedError(
                f"bytes of a number of elements in {self.name}", "its rows and columns matter: ask matrix_bytes(rows, columns)"
            )
        # All in one row: nothing that is asked below depends on how many there are.
        self._refuse(elements, "elements", max(self.column_multiple, self.element_multiple))
        return self._bytes(1, elements)

    def matrix_bytes(self, rows: Any, columns: Any) -> Any:  # noqa: ANN401
        """
        Stored bytes of one matrix, its scales included. [byte]

        Args:
            rows: Outputs, as PyTorch stores a linear layer's weight: numbers, arrays, or objects that know
                ``+ * //`` and unary minus.

            columns: Inputs.

        Raises:
            JobError: The packer refuses such a matrix. Only plain numbers are asked; arrays and letters are taken to
                be allowed.

        Example:
            >>> from llmplan.sources import Source
            >>> fp8 = Format(name="fp8-channel", element_bits=8, kind="float", trainable=False,
            ...     reason="scales are fixed", row_bits=16, source=Source.assumption("for this example"))
            >>> fp8.matrix_bytes(4096, 2880)
            11804672
        """
        self._refuse(rows, "rows", self.row_multiple)
        self._refuse(columns, "columns", self.column_multiple)
        self._refuse(rows * columns, "elements", self.element_multiple)
        return self._bytes(rows, columns)

    def bits_per_element(self, elements: Any) -> Any:  # noqa: ANN401
        """Bits that one element takes on average, its share of the scales included. [bit]"""
        return _BITS * self.bytes(elements) / elements

    def _bytes(self, rows: Any, columns: Any) -> Any:  # noqa: ANN401
        around = rows * self.row_bits + columns * self.column_bits + self.offset_bits
        if self.column_block_bits:
            around = around + _ceil_div(columns, self.block_elements) * self.column_block_bits
        rows, columns = _rounded(rows, self.pad_rows), _rounded(columns, self.pad_columns)
        return self._packed(rows, columns) + self._scales(rows, columns) + _to_bytes(around)

    def _packed(self, rows: Any, columns: Any) -> Any:  # noqa: ANN401
        if self.pack_bits is None:
            return _to_bytes(rows * columns * self.element_bits)
        words = _ceil_div(self._count_blocks(rows, columns), self.pack_elements) * self.block_elements
        return _to_bytes(words * self.pack_bits)

    def _scales(self, rows: Any, columns: Any) -> Any:  # noqa: ANN401
        if self.block_elements is None:
            return 0
        blocks = self._count_blocks(rows, columns)
        scales = _to_bytes(blocks * self.scale_bits)
        if self.second_block is None:
            return scales
        return scales + _to_bytes(_ceil_div(blocks, self.second_block) * self.second_scale_bits)

    def _count_blocks(self, rows: Any, columns: Any) -> Any:  # noqa: ANN401
        if self.blocks == "matrix":
            return _ceil_div(rows * columns, self.block_elements)
        down = _rounded(_ceil_div(rows, self.block_rows), self.scale_rows)
        along = _rounded(_ceil_div(columns, self.block_elements), self.scale_columns)
        return down * along

    def _refuse(self, size: object, word: str, multiple: int) -> None:
        if isinstance(size, (int, float)) and size % multiple:
            raise JobError((f"{self.name} needs {word} in multiples of {multiple}, got {size:g}",))


def _ceil_div(a: Any, b: Any) -> Any:  # noqa: ANN401
    """The quotient rounded up: exact for integers, and the same line serves floats, arrays and sizes."""
    return -(-a // b)


def _rounded(a: Any, unit: int) -> Any:  # noqa: ANN401
    return a if unit == 1 else _ceil_div(a, unit) * unit


def _to_bytes(bits: Any) -> Any:  # noqa: ANN401
    return _ceil_div(bits, _BITS)
