"""
What an operation asks of the device: one record a kernel kind, in numbers that a cost function can price.

A record says *what* is computed or moved, never how long it takes. Every size may be a float or a numpy array.
"""

import attrs

from llmplan.program.size import Number


@attrs.frozen(kw_only=True)
class Matmul:
    """
    One matrix product C[m, n] = A[m, k] B[k, n], or ``batch`` of them.

    Attributes:
        m, n, k: Rows of A, columns of B, and the length that is summed over.
        batch: How many such products one launch makes.
        format: The format in which the factors are multiplied ("bf16", "fp32", "tf32").
        element_bytes: Bytes of an element of A and B as read. [byte]
        out_bytes: Bytes of an element of C as written; 8 where a sum in FP32 is read and written. [byte]
    """

    m: Number
    n: Number
    k: Number
    batch: Number = 1.0
    format: str = "bf16"
    element_bytes: Number = 2.0
    out_bytes: Number = 2.0

    def flops(self) -> Number:
        """Multiplications and additions: 2 m n k for each product. [FLOP]"""
        return 2.0 * self.m * self.n * self.k * self.batch

    def bytes(self) -> Number:
        """Least traffic: each factor read once, the product written once. [byte]"""
        factors = self.m * self.k + self.k * self.n
        return self.batch * (factors * self.element_bytes + self.m * self.n * self.out_bytes)


@attrs.frozen(kw_only=True)
class Attention:
    """
    Scaled dot-product attention in one kernel, forward or backward.

    Attributes:
        batch: Sequences.
        query_length, key_length: Tokens of a sequence that ask, and that are looked at.
        heads, kv_heads: Heads of queries; heads of keys and values.
        head_dim, value_dim: Elements per head of queries and keys; of values.
        causal: Whether a token sees only those before it.
        window: Tokens a query may look back; None for all.
        backward: Whether this is the derivative (five products for the forward's two).
        format: Format of the factors.
        element_bytes: Bytes of an element. [byte]
        version: Generation of the flash-attention kernel; 0 where the scores are made in full.
    """

    batch: Number
    query_length: Number
    key_length: Number
    heads: Number
    kv_heads: Number
    head_dim: Number
    value_dim: Number
    causal: bool = True
    window: Number | None = None
    backward: bool = False
    format: str = "bf16"
    element_bytes: Number = 2.0
    version: int = 2

    def pairs(self) -> Number:
        """Query-key pairs that count, of one head and one sequence."""
        from llmplan.program.size import minimum

        q, k = self.query_length, self.key_length
        if self.window is not None:
            w = minimum(self.window, k)
            # The first w tokens see 1, 2, ... w keys; the others see w each.
            return w * q - w * (w - 1) / 2 if self.causal else w * q
        return q * k - q * (q - 1) / 2 if self.causal else q * k

    def flops(self) -> Number:
        """
        2 FLOP an element and pair for each product: scores and values forward; backward makes the scores again,
        then dV, dP, dQ and dK. [FLOP]
        """
        qk, v = (3.0, 2.0) if self.backward else (1.0, 1.0)
        return 2.0 * self.batch * self.heads * self.pairs() * (qk * self.head_dim + v * self.value_dim)

    def bytes(self) -> Number:
        """Least traffic: queries, keys, values read, the output written; about twice that backward. [byte]"""
        d, v = self.head_dim, self.value_dim
        queries = self.batch * self.query_length * self.heads * (d + v)
        keys = self.batch * self.key_length * self.kv_heads * (d + v)
        return (2.0 if self.backward else 1.0) * (queries + keys) * self.element_bytes


@attrs.frozen(kw_only=True)
class Pointwise:
    """
    A kernel that is bound by the memory it touches: sums, products, casts, norms, softmax, optimizer updates.

    Attributes:
        read, written: Bytes read and written. [byte]
        launches: Kernels that it takes.
        fusible: Whether a compiler may merge it with its neighbours.
    """

    read: Number
    written: Number
    launches: Number = 1.0
    fusible: bool = True

    def flops(self) -> Number:
        """Not counted, as is the custom of the field: the arithmetic hides behind the traffic. [FLOP]"""
        return 0.0

    def bytes(self) -> Number:
        """Bytes read and written. [byte]"""
        return self.read + self.written


@attrs.frozen(kw_only=True)
class Collective:
    """
    A message between the devices of a group.

    Attributes:
        kind: "all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all" or "send_receive" (of two).
        payload: Bytes of the whole tensor (for all_gather: gathered; for reduce_scatter: before). [byte]
        group: Devices that take part.
        launches: Messages that the payload is cut into.
    """

    kind: str
    payload: Number
    group: Number
    launches: Number = 1.0

    def flops(self) -> Number:
        """None that count. [FLOP]"""
        return 0.0

    def bytes(self) -> Number:
        """Bytes of the tensor that is exchanged. [byte]"""
        return self.payload


@attrs.frozen(kw_only=True)
class Transfer:
    """
    A copy between the device and its host.

    Attributes:
        payload: Bytes copied, one way. [byte]
        launches: Copies.
    """

    payload: Number
    launches: Number = 1.0

    def flops(self) -> Number:
        """None. [FLOP]"""
        return 0.0

    def bytes(self) -> Number:
        """Bytes that cross the link. [byte]"""
        return self.payload


Kernel = Matmul | Attention | Pointwise | Collective | Transfer
