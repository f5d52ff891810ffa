-- code_halfvec --
-- The code of a vector, by which an index-only scan orders the rows of an agent. Of length one, because two bytes hold no
-- number above 65,504 and nothing near zero.
l2_normalize({vector}::vector)::halfvec

-- code_bit --
memory_bits({vector}::vector)

-- distance_halfvec --
<#>

-- distance_bit --
<~>
