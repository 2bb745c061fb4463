"""Misleading URLs, and IP addresses around every range. `{p}` is replaced by a port."""


def _words(text: str) -> list[str]:
    return text.split()


# Hosts that other readers might read otherwise, and what is no host at all.
UNREADABLE = _words("""
127.1:{p} 127.0.1:{p} 2130706433:{p} 017700000001:{p} 0177.0.0.1:{p} 0x7f000001:{p} 0x7f.1:{p} 0x7f.0.0.1:{p}
0X7F.0.0.1:{p} 127.0.0.01:{p} 127.0.0.1.:{p} 127.0.0.1..:{p} 127.0.0:{p} 127.0.0.0x1:{p} 0:{p} 0x:{p} 00:{p}
1.2.3.4.5:{p} 256.1.1.1:{p} 127.0.0.1.0x7f:{p} example.com.1:{p} localhost.:{p} example.com.:{p}
.localhost:{p} １２７.０.０.１:{p} 127。0。0。1:{p} hooks。example。com:{p} 127．0．0．1:{p}
①②⑦.⓪.⓪.①:{p} １２７.1:{p}
ｌocalhost:{p} ⓛocalhost:{p}
loc%61lhost:{p} %31%32%37.0.0.1:{p} 127.0.0.1%00.example.com:{p} 127.0.0.1%2eexample.com:{p} localhost%00:{p}
user@127.0.0.1:{p} user:pass@127.0.0.1:{p} example.com@127.0.0.1:{p} example.com:80@127.0.0.1:{p}
@127.0.0.1:{p} 127.0.0.1:{p}#@example.com 127.0.0.1:{p}# 127.0.0.1:{p}/#x example.com#@127.0.0.1:{p}
127.0.0.1\\@example.com:{p} example.com\\@127.0.0.1:{p} 127.0.0.1:{p}\\example.com 127.0.0.1:{p}/\\x
127.0.0.1:{p}:80 127.0.0.1:0 127.0.0.1:65536 127.0.0.1:99999999999 127.0.0.1: 127.0.0.1:+{p} 127.0.0.1:0{p}
127.0.0.1:-1 127.0.0.1:{p}a 127.0.0.1:０ [127.0.0.1]:{p} [::1 [::1]{p} [::1]]:{p} ::1:{p} [::1%25lo]:{p}
[::1%lo]:{p} [fe80::1%25eth0]:{p} [::ffff:127.1]:{p} [::ffff:0x7f.0.0.1]:{p} [::ffff:127.0.0.01]:{p}
[:::1]:{p} []:{p} [::1.]:{p} [0:0:0:0:0:0:0:0:1]:{p} [::g]:{p} [::1]:{p}:{p} [v1.x]:{p} [::１]:{p} [[::1]]:{p}
127.0.0.1[:{p} -.example.com:{p} a..b:{p} *.example.com:{p} exa$mple.com:{p} 127.0.0.1,example.com:{p}
127.0.0.1;x:{p} a&b:{p}
""")

ODD_SCHEMES = [
    "",
    "http:",
    "http://",
    "https://",
    "http:///x",
    "http:127.0.0.1:{p}",
    "http:/127.0.0.1:{p}",
    "//127.0.0.1:{p}",
    "127.0.0.1:{p}",
    "ftp://127.0.0.1:{p}",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{p}/_x",
    "dict://127.0.0.1:{p}",
    "unix:///run/x.sock",
    "ws://127.0.0.1:{p}",
    "data:,x",
    "javascript:1",
    "http\\://127.0.0.1:{p}",
    " http://127.0.0.1:{p}",
    "\thttp://127.0.0.1:{p}",
    "ht\ntp://127.0.0.1:{p}",
    "httpſ://127.0.0.1:{p}",
    "http+unix://127.0.0.1:{p}",
    "h\u200bttp://127.0.0.1:{p}",
    "http://?@127.0.0.1:{p}",
    "http:\\\\127.0.0.1:{p}",
]

INJECTIONS = [
    "http://127.0.0.1:{p}/a b",
    "http://127.0.0.1:{p}/\r\nx-evil: 1",
    "http://127.0.0.1:{p}/\nx",
    "http://127.0.0.1:{p}/\rx",
    "http://127.0.0.1:{p}/\tx",
    "http://127.0.0.1:{p}/\x00",
    "http://127.0.0.1:{p}\r\nhost: evil/",
    "http://127.0.0.1:{p}/é",
    "http://127.0.0.1\r\n:{p}/",
    "http://127.0.0.1:{p}/ HTTP/1.1\r\nx: y\r\n\r\n",
    "http://127.0.0.1:{p}/%",
    "http://127.0.0.1:{p}/%0",
    "http://127.0.0.1:{p}/%zz",
    "http://127.0.0.1:{p}/\u2028",
    "http://127.0.0.1:{p}/?q=嘊",
    "http://127.0.0.1:{p}?\r\n",
    "http://127.0.0.1:{p}/\x7f",
    'http://127.0.0.1:{p}/"',
    "http://127.0.0.1:{p}/<x>",
    "http://127.0.0.1:{p}/" + "a" * 2_000,
    "http://127.0.0.1 :{p}/",
    "http:// 127.0.0.1:{p}/",
    "http://127.0.0.1:{p} /",
    "http://127.0.0.1:\n{p}/",
]

# Refused even inside a private network.
HOSTILE = [
    *(f"http://{host}" if "/" in host or "#" in host else f"http://{host}/x" for host in UNREADABLE),
    *ODD_SCHEMES,
    *INJECTIONS,
]

# Hosts that are private by their very name, or literally.
PRIVATE = _words("""
localhost:{p} LOCALHOST:{p} LocalHost:{p} foo.localhost:{p} a.b.localhost:{p} localhost.localdomain:{p}
printer.local:{p} metadata.google.internal:{p} api.internal:{p} router.home.arpa:{p} db:{p} redis:{p}
kubernetes:{p} my_service:{p} 127.0.0.1:{p} 127.255.255.254:{p} 127.8.8.8:{p} 0.0.0.0:{p} 0.1.2.3:{p}
[::1]:{p} [::]:{p} [0:0:0:0:0:0:0:1]:{p} [0000:0000:0000:0000:0000:0000:0000:0001]:{p} [::127.0.0.1]:{p}
[::7f00:1]:{p} [::ffff:127.0.0.1]:{p} [::FFFF:7F00:1]:{p} [::ffff:0:127.0.0.1]:{p} [64:ff9b::127.0.0.1]:{p}
[64:ff9b::7f00:1]:{p} [64:ff9b:1::7f00:1]:{p} [2002:7f00:1::]:{p} [2002:7f00:0001::1]:{p}
[2001:0:7f00:1::]:{p} [fe80::1]:{p} [fec0::1]:{p} [fc00::1]:{p} [fd00:ec2::254]:{p} [ff02::1]:{p}
[ff0e::1]:{p} [100::1]:{p} [100:0:0:1::1]:{p} [5f00::1]:{p} [3fff::1]:{p} [2001:db8::1]:{p} [4000::1]:{p}
[2001:10::1]:{p} [2001:20::1]:{p} [2001:2::1]:{p} 169.254.169.254 169.254.169.254:{p} 168.63.129.16
192.0.0.192 100.100.100.200 10.0.0.1:{p} 172.16.0.1:{p} 192.168.1.1:{p} 100.64.0.1:{p} 192.0.2.1:{p}
198.18.0.1:{p} 198.51.100.1:{p} 203.0.113.1:{p} 192.88.99.1:{p} 224.0.0.1:{p} 239.255.255.250:{p}
240.0.0.1:{p} 255.255.255.255:{p}
""")

# The first and the last of each range that is not public.
NOT_PUBLIC = _words("""
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.0.0.1 127.255.255.255
168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255
192.0.2.0 192.0.2.255 192.31.196.1 192.52.193.1 192.88.99.0 192.88.99.255 192.168.0.0 192.168.255.255
192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0
239.255.255.255 240.0.0.0 255.255.255.254 255.255.255.255 :: ::1 ::7f00:1 ::ffff:ffff ::ffff:0:0 ::ffff:7f00:1
::ffff:5db8:d70e ::ffff:ffff:ffff ::ffff:0:7f00:1 64:ff9b:: 64:ff9b::5db8:d70e 64:ff9b::ffff:ffff 64:ff9b:1::
64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100::ffff:ffff:ffff:ffff 100:0:0:1::1 2001::
2001:0:ffff:ffff:ffff:ffff:ffff:ffff 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8::
2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002:: 2002:5db8:d70e::1 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
2620:4f:8000::1 3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000:: 5f00::
5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fc00::
fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80:: fe80::1%2 febf:ffff:: fec0:: feff:ffff:: ff00:: ff02::1
ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1fff:ffff::
""")

# Their neighbours, and other public ones.
OPEN = _words("""
1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15
168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0
192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0
203.0.112.255 203.0.114.0 223.255.255.255 2000:: 2001:200:: 2001:db7:ffff:: 2001:db9:: 2003:: 2620:4f:7fff::
2620:4f:8001:: 3ffe:ffff:: 3fff:1000::
""")
