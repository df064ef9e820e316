"""The healthy machine: a Dell PowerEdge XE9680 with an HGX H100 board, as every host of the fleet is without a fault.

Slots are the iDRAC's FQDDs; the ramdisk reports the same ones. Versions, counts and widths here are what a hardware
profile of this fleet must ask for.
"""

from typing import NamedTuple

MANUFACTURER = "Dell Inc."
MODEL = "PowerEdge XE9680"
BIOS_VERSION = "2.3.5"
BMC_VERSION = "7.10.50.00"
CPLD_VERSION = "1.0.7"
HCA_VERSION = "28.39.1002"
ETHERNET_VERSION = "22.39.1002"
PSU_VERSION = "00.1B.53"
OS_DRIVE_VERSION = "1.3.0"
DATA_DRIVE_VERSION = "1.2.5"
GPU_VBIOS = "96.00.74.00.01"
DRIVER_VERSION = "550.90.07"
KERNEL_VERSION = "6.8.0-45-generic"

CPU_MODEL = "Intel(R) Xeon(R) Platinum 8480+"
CPU_CORES, CPU_THREADS = 56, 112
CPUS = ("CPU.Socket.1", "CPU.Socket.2")

DIMM_GIB = 64
DIMM_MHZ = 4800
DIMM_PART = "HMCG94AGBRA181N"
DIMMS = tuple(f"DIMM.Socket.{bank}{row}" for bank in "AB" for row in range(1, 17))

GPU_MODEL = "NVIDIA H100 80GB HBM3"
GPUS = tuple(f"Video.Slot.{slot}-1" for slot in range(21, 29))
NVSWITCHES = tuple(f"HGX_NVSwitch_{index}" for index in range(4))

HCA_MODEL = "NVIDIA ConnectX-7 Single Port OSFP NDR InfiniBand Adapter"
HCAS = tuple(f"InfiniBand.Slot.{slot}" for slot in range(31, 39))
HCA_GBPS = 400

ETHERNET_MODEL = "NVIDIA ConnectX-6 Dx Dual Port 100 GbE QSFP56 Adapter"
ETHERNET = "NIC.Slot.39"
ETHERNET_PORTS = (f"{ETHERNET}-1-1", f"{ETHERNET}-2-1")
ETHERNET_GBPS = 100

OS_CONTROLLER = "BOSS.SL.14-1"
OS_DRIVE_MODEL, OS_DRIVE_GB = "Dell DC NVMe 7450 RI M.2 960GB", 960
OS_DRIVES = tuple(f"Disk.Direct.{bay}-{bay}:{OS_CONTROLLER}" for bay in range(2))
DATA_CONTROLLER = "CPU.1"
DATA_DRIVE_MODEL, DATA_DRIVE_GB = "Dell Ent NVMe CM6 RI 3.84TB", 3840
DATA_DRIVES = tuple(f"Disk.Bay.{bay}:Enclosure.Internal.0-1" for bay in range(8))

PSU_MODEL, PSU_WATTS = "PWR SPLY,3200W,RDNT,DELTA", 3200
PSUS = tuple(f"PSU.Slot.{slot}" for slot in range(1, 7))
FANS = tuple(f"Fan.Embedded.{slot}" for slot in range(1, 17))

PCIE_GENERATION = 5  # GPUs and HCAs
PCIE_WIDTH = 16

HGX_FIRMWARE = {
    "HGX_FW_BMC_0": "24.05.1",
    "HGX_FW_FPGA_0": "2.53",
    "HGX_FW_ERoT_BMC_0": "00.02.0182.0000",
    **{f"HGX_FW_GPU_SXM_{n}": GPU_VBIOS for n in range(1, 9)},
    **{f"HGX_FW_NVSwitch_{n}": "96.10.57.00.01" for n in range(4)},
    "HGX_FW_PCIeSwitch_0": "01.05.0000",
}

# What a part is flashed with: (component id of the vendor, version, name).
BIOS_ROW = ("159", BIOS_VERSION, "BIOS")
BMC_ROW = ("25227", BMC_VERSION, "Integrated Dell Remote Access Controller")
CPLD_ROW = ("27763", CPLD_VERSION, "System CPLD")

BIOS_SETTINGS: dict[str, str | int] = {
    "BootMode": "Uefi",
    "LogicalProc": "Enabled",
    "ProcVirtualization": "Enabled",
    "SriovGlobalEnable": "Enabled",
    "SysProfile": "PerfOptimized",
    "WorkloadProfile": "NotConfigured",
    "SubNumaCluster": "Disabled",
    "NodeInterleave": "Disabled",
    "MmioAbove4Gb": "Enabled",
    "AcPwrRcvry": "Last",
    "SecureBoot": "Disabled",
    "TpmSecurity": "On",
    "SerialComm": "OnConRedir",
    "PxeDev1EnDis": "Enabled",
    "PxeDev1Interface": ETHERNET_PORTS[0],
    "HttpDev1EnDis": "Disabled",
    "HttpDev1Interface": ETHERNET_PORTS[0],
    "HttpDev1Protocol": "IPv4",
    "HttpDev1TlsMode": "None",
    "HttpDev1VlanEnDis": "Disabled",
    "HttpDev1Uri": "",
    "SetBootOrderEn": "Disk.Bay.OS,NIC.PxeDevice.1-1",
    "SetBootOrderDis": "",
    "NumLock": "On",
}
BIOS_READ_ONLY = ("SystemModelName", "SystemBiosVersion", "SystemServiceTag", "SystemManufacturer")


class BurnInTest(NamedTuple):
    """What a test reads on a healthy host and the limit that it must reach."""

    value: float
    limit: float
    higher_is_better: bool
    unit: str


# Tests that hosts know, with healthy values; a test that is not here passes with no figure.
BURN_IN_TESTS: dict[str, BurnInTest] = {
    "gpu_compare": BurnInTest(0, 0, False, "differing sums"),
    "gpu_memory": BurnInTest(0, 0, False, "errors"),
    "gpu_stress": BurnInTest(668, 600, True, "TFLOP/s of the slowest"),
    "nvlink": BurnInTest(476, 460, True, "GB/s all-reduce"),
    "host_memory": BurnInTest(0, 0, False, "errors"),
    "host_to_device": BurnInTest(54.8, 52, True, "GB/s"),
    "disk": BurnInTest(6.4, 5, True, "GB/s"),
    "hca_loopback": BurnInTest(391, 380, True, "Gb/s"),
    "thermal": BurnInTest(74, 85, False, "degrees C"),
}
